"""The application: requests come in over HTTP, and what a request could not do is done by the queue's workers."""
