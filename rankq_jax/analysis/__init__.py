"""Reading results: pictures, tables and one HTML page. Nothing here trains or steps an environment."""
