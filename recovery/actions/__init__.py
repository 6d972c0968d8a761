"""What recovery does: one file per action (`assess-site` is `assess_site.py`); `base` is their contract."""
