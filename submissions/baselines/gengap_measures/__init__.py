"""What the measures of the literature share, importable inside the sandbox: `from gengap_measures import …`.

Layers and their linear maps, activations, margins, per-example gradients, Hessian products, perturbations of weights
and of images, statistics of points. docs/measures.md lists it for participants, who may build on it. Everything is
deterministic given torch's seed, adds up in double precision, and gives the same value for any `data.BATCH_SIZE`.
"""

from gengap_measures.alignment import aligned
from gengap_measures.context import Context, Moment, siblings_of, trajectory_of, unlabelled_of
from gengap_measures.curvature import hessian_product, hutchinson, lanczos
from gengap_measures.data import Dataset, batches, evenly, some, some_of_each_class
from gengap_measures.gradients import (
    derivative_along_weights,
    gradient_gram,
    layer_jacobians,
    loss_gradient,
    per_example_gradients,
    unflattened,
)
from gengap_measures.graphs import cosine_similarity, label_signal, label_variation, neighbour_graph
from gengap_measures.images import (
    brightened,
    cropped,
    erased,
    flipped,
    other_label_partners,
    same_label_pairs,
    saturated,
    sobel,
)
from gengap_measures.interpolation import interpolated, loss_barrier
from gengap_measures.keras_layers import first_strided_layer, keras_layers, layer_inputs
from gengap_measures.layers import (
    Pair,
    flat,
    hidden_layers,
    initial_of,
    weight_layers,
    weight_pairs,
    weight_spans,
    with_batch_norm_folded,
)
from gengap_measures.margins import (
    ClassSpread,
    input_gradients,
    label_probability_gradients,
    logit_margins,
    margins_and_spreads,
    normalised_margins,
    training_margin,
)
from gengap_measures.outputs import accuracy, activations, logits, max_pooled, mean_loss, penultimate, pooled
from gengap_measures.paths import path_norm
from gengap_measures.perturbation import largest, noise_tolerance, worst_case_tolerance
from gengap_measures.pgdl_first_place import competition_index, competition_mixup, scikit_davies_bouldin
from gengap_measures.pgdl_third_place import (
    members_of_classes,
    nearest_graph,
    normalised_smoothness,
    similarity_graph,
    smoothness_of_mixtures,
    symmetric,
)
from gengap_measures.power_law import PowerLaw, power_laws
from gengap_measures.responses import mixup_response
from gengap_measures.spectra import (
    LinearMap,
    convolution_spectral_norm,
    linear_maps,
    row_lengths,
    spectral_distances,
    spectral_norms,
)
from gengap_measures.statistics import (
    class_centers,
    davies_bouldin,
    distances,
    wasserstein,
)
from gengap_measures.stitching import fitted_map, middle_outputs, top_logits
from gengap_measures.tensorflow_shuffle import buffered_order, tensorflow_order

__all__ = [
    "ClassSpread",
    "Context",
    "Dataset",
    "LinearMap",
    "Moment",
    "Pair",
    "PowerLaw",
    "accuracy",
    "activations",
    "aligned",
    "batches",
    "brightened",
    "buffered_order",
    "class_centers",
    "competition_index",
    "competition_mixup",
    "convolution_spectral_norm",
    "cosine_similarity",
    "cropped",
    "davies_bouldin",
    "derivative_along_weights",
    "distances",
    "erased",
    "evenly",
    "first_strided_layer",
    "fitted_map",
    "flat",
    "flipped",
    "gradient_gram",
    "hessian_product",
    "hidden_layers",
    "hutchinson",
    "initial_of",
    "input_gradients",
    "interpolated",
    "keras_layers",
    "label_probability_gradients",
    "label_signal",
    "label_variation",
    "lanczos",
    "largest",
    "layer_inputs",
    "layer_jacobians",
    "linear_maps",
    "logit_margins",
    "logits",
    "loss_barrier",
    "loss_gradient",
    "margins_and_spreads",
    "max_pooled",
    "mean_loss",
    "members_of_classes",
    "middle_outputs",
    "mixup_response",
    "nearest_graph",
    "neighbour_graph",
    "noise_tolerance",
    "normalised_margins",
    "normalised_smoothness",
    "other_label_partners",
    "path_norm",
    "penultimate",
    "per_example_gradients",
    "pooled",
    "power_laws",
    "row_lengths",
    "same_label_pairs",
    "saturated",
    "scikit_davies_bouldin",
    "siblings_of",
    "similarity_graph",
    "smoothness_of_mixtures",
    "sobel",
    "some",
    "some_of_each_class",
    "spectral_distances",
    "spectral_norms",
    "symmetric",
    "tensorflow_order",
    "top_logits",
    "training_margin",
    "trajectory_of",
    "unflattened",
    "unlabelled_of",
    "wasserstein",
    "weight_layers",
    "weight_pairs",
    "weight_spans",
    "with_batch_norm_folded",
    "worst_case_tolerance",
]
