"""Benchmarks: what an artifact costs in time, memory and size, and what it gets right.

protocol     what is measured and how, stored with every result
worker       the process that loads one artifact and times it; imports only its runtime
timing       the loops around one inference
process      the coordinator's end of a worker
subject      what is measured: the artifacts of bundles, and bare model files
evaluation_set the images that accuracy is measured on
lane         one subject run one way: backend, threads, batch
session      all lanes in turn, window by window
energy       what the processor draws, where the machine tells
peak         what the machine can do at best
statistics   from samples to the figures of a row
result       the rows and the document that interface and files show
conditions   when the machine's state makes figures doubtful
regression   this result against an earlier one
"""
