from django.core.mail import send_mail

try:
    from django.tasks import task
except ImportError:  # before Django 6
    from django_tasks import task


@task(queue_name="mailers")
def confirm(email, item):
    send_mail("Your order", f"Your {item} is coming.", "shop@example.org", [email])
