"""What Comity decides, as plain functions on frozen data: no input or output, no clock, no framework."""
