"""How a picture is seen through the network: at once or in overlapping windows, continued past its border or not."""
