from django.db import models


class Order(models.Model):
    item = models.CharField(max_length=100)
    email = models.EmailField()
    packed = models.BooleanField(default=False)

    def __str__(self):
        return f"{self.item} for {self.email}"
