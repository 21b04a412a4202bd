"""Importing: any Keras image classifier becomes one model from raw RGB pixels to class probabilities.

loading        a file, a folder or an object is opened; code in it is refused
inputs         the one image input: size, channels, layout
outputs        the one output, and what makes probabilities of it
scaling        what the model's own first layers say of the range of pixels that it takes
tracing        models whose graph Keras does not know
assembly       the whole model, its preprocessing in the graph
pipeline       these, in their order
"""
