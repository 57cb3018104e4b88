"""Everything that speaks SQL, and the embedded server."""
