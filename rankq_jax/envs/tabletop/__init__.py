"""A WidowX arm at a table: things to put onto one another, images, instructions and a scripted expert."""
