"""A web page and a JSON endpoint that answer with every artifact at once.

worker_pool   worker threads with interpreters of their own, and a bounded queue
app           what is answered to which address
openapi       the same, as a document for programs
hosts         by which names a request may call it
server        waitress around it: starts, stops in good order
connections   waitress itself, with limits to connections and times
page.*        what people see
"""
