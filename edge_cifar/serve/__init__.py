"""A web page and a JSON endpoint that answer with every artifact at once.

crew      worker threads with interpreters of their own, and a queue that may fill
app       what is answered to which address
openapi   the same, as a document for programs
server    waitress around it: starts, stops in good order
page.*    what people see
"""
