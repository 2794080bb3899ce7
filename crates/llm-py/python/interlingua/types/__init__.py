"""The objects that functions return, under LiteLLM's paths."""
