"""Whether a secret is worth the name; asked by whoever starts Superset and by Superset's own settings."""

from __future__ import annotations

# 32 random bytes in base 64 have 43 characters; of these, some 30 differ.
LEAST_LENGTH = 43
LEAST_DIFFERENT = 16
_EXAMPLES = ("change", "secret", "password", "thisis", "example", "insecure", "your_own")


def find_weakness(secret: str) -> str | None:
    """What is wrong with it, or None."""
    if len(secret) < LEAST_LENGTH:
        return f"{len(secret)} characters, at least {LEAST_LENGTH} are needed"
    if len(set(secret)) < LEAST_DIFFERENT:
        return f"{len(set(secret))} different characters, at least {LEAST_DIFFERENT} are needed"
    if any(word in secret.lower() for word in _EXAMPLES):
        return "it reads like an example"
    return None
