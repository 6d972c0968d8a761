"""AWS's control plane in the rehearsal: moto behind a fault plane, with what moto gets wrong put right."""
