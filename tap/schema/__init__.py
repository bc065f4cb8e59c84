"""What is published: TAP_SCHEMA as the database holds it, and the views of it that the rest of the stack uses."""
