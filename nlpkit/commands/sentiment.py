import click
@click.group()
def sentiment(): pass
