"""Compression: weights trained again for 8 bits (QAT), pruned, or clustered, in a process of its own with tf_keras.

Others use two modules:

retraining    runs the process, and says what it lacks on this machine
exchange      what is asked of it, and what it answers

The rest is imported in that process alone:

worker        trains until the compressed network answers as the network did before
folded_model  the network in tf_keras, its batch norms folded
qat           quantization in training, and the file it becomes
sparsity      pruning and clustering
"""
