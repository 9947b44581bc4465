"""Tools to run and measure a site. The site itself needs none of them."""
