"""Export: a trained model becomes a bundle of checked artifacts.

pipeline         the stages in their order: plan, compress, convert, accept, write
options          what was asked, as one object that every stage is given whole
source           the Keras model, its labels, its images, and what is told of it
plan             which variants are written
compress         weights pruned, clustered or trained for 8 bits first
convert          variants as tasks for worker processes: pool, worker
conversion       a loaded model, converted to one variant after another
baseline         the Keras model that artifacts are compared with
accept           artifacts kept or rejected, by what acceptance finds
mixed_precision  layers left in floats to bring a rejected int8 through, by their sensitivity
writer           the reference, the labels, the manifest, and the model_card
advice           what to try where variants were rejected
destination      where a bundle may be written
"""
