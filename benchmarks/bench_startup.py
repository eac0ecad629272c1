"""asv: what a user waits for before the first result, in seconds, in fresh processes."""

from .startup import first_hessian_seconds, import_seconds


class Startup:
    unit = "s"
    timeout = 300

    def setup_cache(self):
        return first_hessian_seconds()

    def track_import(self, _):
        return import_seconds()

    def track_first_hessian_cold(self, seconds):
        return seconds[0]

    def track_first_hessian_second_process(self, seconds):
        return seconds[1]
