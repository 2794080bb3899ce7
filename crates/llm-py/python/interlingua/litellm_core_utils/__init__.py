"""Parts of LiteLLM that programs import from its insides."""
