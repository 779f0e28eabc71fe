"""Training: torch compositions, the loop, calibration, export; needs the extra `train`."""
