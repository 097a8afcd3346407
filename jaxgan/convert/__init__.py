"""Files of other libraries, read into flat dictionaries of arrays and then parameters."""
