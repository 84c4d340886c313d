"""From an upload to the queue: bundles, sources, quota, submitting; and what is done to a submission by hand."""
