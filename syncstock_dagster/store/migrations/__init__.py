"""The schema's versions. One module a version; its SQL lies in the folder of the same name, in file order."""
