"""What is written and read again: runs, bundles and what lies in them."""
