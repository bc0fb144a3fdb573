"""Pages as screens show them, drawn at random: what a collection of photographs lacks."""
