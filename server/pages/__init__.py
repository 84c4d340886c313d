"""The pages of the site: each module has a blueprint `pages`, which `server.app` registers."""
