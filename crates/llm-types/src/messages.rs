//! Anthropic Messages: request, response, stream events.
