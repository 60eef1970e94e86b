"""The face: the Django project and every surface that a person or a program touches."""
