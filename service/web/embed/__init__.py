"""What visitors see of us: the page of one discussion, with its comments and the form."""
