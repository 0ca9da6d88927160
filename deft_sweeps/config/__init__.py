"""What one trial is: frozen settings that need nothing but the standard library and pydantic."""
