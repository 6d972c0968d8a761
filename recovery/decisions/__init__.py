"""Pure decisions: who may say yes, and how long a run would take."""
