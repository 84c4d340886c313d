"""From an upload to the queue: bundles, sources, quota, submitting; and later actions on submissions."""
