"""Compression: weights trained again for 8 bits (QAT), pruned, or clustered, in a process of its own with tf_keras."""
