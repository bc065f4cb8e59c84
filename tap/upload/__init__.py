"""Tables that clients send: TAP_UPLOAD (TAP 1.1, section 2.7.6)."""
