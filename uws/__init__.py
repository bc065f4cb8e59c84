"""UWS: jobs that outlive a request; their record, their queue, their workers and their REST interface."""
