"""The SeFa laboratory: semantic directions of face generators."""
