"""Reads files that TensorFlow and Keras write, without TensorFlow: TFRecord, HDF5 weights, layer configurations."""
