"""Files that attack whoever reads them."""
