"""Benchmarks: what an artifact costs in time, memory and size, and what it gets right.

protocol     what is measured and how, stored with every result
worker       the process that loads one artifact and times it; imports only its runtime
timing       the loops around one inference
subject      what is measured: the artifacts of bundles, and model files made elsewhere
evaluation_set  the images that accuracy is measured on
case         one subject with one backend, thread count and batch size
session      all cases in turn, window by window
range_trial  whether a file made elsewhere does better in another input range
energy       power drawn, where the machine has a readable meter
peak         the machine's peak compute
statistics   from samples to the figures of a row
rows         from what was measured to the rows of the report
conditions   when the machine's state makes figures doubtful
regression   this result against an earlier one
"""
