"""Plans: model, loading and schema, graph, checks, rendering."""
