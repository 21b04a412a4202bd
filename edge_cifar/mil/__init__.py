"""A reference evaluator for Core ML programs, in NumPy.

Core ML runs on Apple's systems only. This package reads a saved ``.mlpackage`` and computes what its
program says, so that an exported model can be checked anywhere. It uses neither coremltools nor
TensorFlow nor protobuf, so it shares no code with what wrote the file.

    limits      what a package may ask for before it is refused
    dtypes      MIL's element types and how they are packed
    program     a program as plain data
    values      types and literals, read from their messages
    schema      the Core ML messages, read into a program
    blob        the weight file
    package     the folder: manifest, model, weights
    constexpr   compressed weights, made dense
    constants   the constants of a program
    ops         the operations: each checks its parameters once and yields a kernel
    plan        a program made ready: kernels in order, what lives how long
    planner     checks a program and makes its plan
    half        rounding to half precision
    evaluate    a plan applied to images
    blas        keeping the matrix library to the threads it was given

Every value carries a leading axis of samples, ahead of the shape the program declares for it: a
program made for one image computes a batch exactly as it would compute each image alone, whatever
its operations do to their own first axis. In memory that axis lies innermost: convolutions are then
matrix products with the samples among the columns, and depthwise ones run over long unbroken rows.

A package is not trusted. Sizes are checked before anything is allocated, names before they are
followed, and whatever is wrong ends in one :class:`~edge_cifar.errors.BundleError`.
"""
