"""Readers of the files that TensorFlow and Keras write, without TensorFlow: TFRecord, HDF5 weights and layers."""
