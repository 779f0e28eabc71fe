import click
@click.group()
def models(): pass
