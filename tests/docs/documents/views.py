from django.contrib.auth.decorators import login_required
from django.shortcuts import get_object_or_404, render

from .models import Document


@login_required
def document(request, pk):
    document = get_object_or_404(Document, pk=pk, owner=request.user)
    return render(request, "documents/document.html", {"document": document})
