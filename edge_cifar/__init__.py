"""Train, convert, prove and measure CIFAR-10 classifiers for phones, Macs and Raspberry Pis."""
