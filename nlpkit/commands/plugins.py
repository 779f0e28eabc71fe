import click
@click.group()
def plugins(): pass
