"""placeholder"""


def outlive_request(application):
    return application
