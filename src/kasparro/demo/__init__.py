"""The service beside a made-up market in the same process: to see it work, and to watch it fail and recover."""
