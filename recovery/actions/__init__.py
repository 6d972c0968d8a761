"""What recovery does: one file per action (`uses: assess-site` is `assess_site.py`); `base` is their contract."""
